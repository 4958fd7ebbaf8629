"""The commands of `distillab`, one module for each group; `helpers/cli.py` puts them together."""
