"""Synthetic reading comprehension: invented entities, facts in plain sentences, questions about them."""
