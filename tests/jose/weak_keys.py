"""Public keys that are well-formed but weak."""

ROCA_MODULUS = (
    "10W5GizQnLS_0-vgH8YXqbul1JUrbovnjRKypseHQINDrT1vU8MP-0HhzcNLSrU8Os0_lshzProy8Q6CVCjrxDeh"
    "J8-PD6PoJwF-dhLJH0-V0waqpwHojMM-JV59z4mJx6k6LBNf4p4rJdIltTXFxaQfV-f0g0JrBP_E7gHyRRL4vrEd"
    "kMTyRioEuG_M4-ZovBubrJUiTzakxiHFLuEYwtqIP-lfLd3WJio-gtDZi-YAhYFA9UNit2eXmOA9T2y9lzdNsBBJ"
    "z5srrxvVBEwLQamDbfT05Yf1hfD7KA9Nrs64Q6epo5v_vXQOCh25dR8Swlyl-uMjCOu3SDCHajRovQ"
)
"""The product of two primes of the form k * M + (65537**a mod M), generated for the tests."""
