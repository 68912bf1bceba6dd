"""The pydantic border for what people write in files."""
