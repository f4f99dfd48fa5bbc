"""What an installation is made of: its parts, their licences, what is known against them."""
