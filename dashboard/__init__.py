"""The Streamlit console. Talks to the API and knows only the vocabulary.

No file here may bear a room's name: Streamlit puts this folder first on the import path.
"""
