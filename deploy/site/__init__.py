"""What makes the site of docs/ besides MkDocs itself."""
