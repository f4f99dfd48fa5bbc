"""What administrators do with an installation, by whichever door they come: command line, API, console."""
