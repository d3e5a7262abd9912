"""Extensions of MkDocs for the site of docs/, and the pictures drawn for it."""
