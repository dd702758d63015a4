"""How the tables came to be, one file a change. Alembic reads them in the order of revisions."""
