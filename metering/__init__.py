"""What was used, by whom, at what price: the ledger, the price book, totals and exports.

Money is Decimal, never float; unknown usage and unknown prices stay unknown.
"""
