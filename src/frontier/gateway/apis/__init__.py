"""The APIs that clients speak: requests as engines take them, answers as clients read them."""
