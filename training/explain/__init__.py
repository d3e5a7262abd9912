"""Explanations of what a trained model looks at: heat maps, features and reconstructions."""
