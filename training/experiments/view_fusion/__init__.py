"""The paper's other ways of combining a DV and a LAT into one picture, as baselines of the front end's."""
