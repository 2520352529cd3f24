"""What a grid says about a question: contrasts of scores with intervals that hold."""
