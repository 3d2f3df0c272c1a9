"""JSON Web Signature and JSON Web Key, read strictly: parsing, keys, claims. Pure; private."""
