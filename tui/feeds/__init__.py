"""Watch and log streams into messages for the screen."""
