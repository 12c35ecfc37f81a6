"""Workers are killed and stopped at full rate, and every byte that a subscriber gets is compared.

What a subscriber must get is worked out from the numbers of the messages alone (`messages`,
`oracles`); nothing here is taken from the code that is looked at.
"""
