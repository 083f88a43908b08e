"""All that differs between databases: a module for each, and what it needs beside it."""
