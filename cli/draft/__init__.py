"""Catalogue entries drafted from captured events: what events show, the kinds inferred, entries, differences."""
