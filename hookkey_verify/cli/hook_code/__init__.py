"""``hookkey hooks code`` prints a program that protects and answers an inline hook."""
