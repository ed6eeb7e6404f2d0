"""The generated pages: what the command line, the knobs and the layout are, written from the code itself."""
