"""Events after they were written: chained, shown, swept, and sent to those who collect them."""
