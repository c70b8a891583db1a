"""Conditions that speech is heard under: noise, rooms, telephones, codecs and whatever else happens to audio."""
