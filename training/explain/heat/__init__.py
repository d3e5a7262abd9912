"""Where a model looks: Grad-CAM, and how much of its heat lies on the altered bones."""
