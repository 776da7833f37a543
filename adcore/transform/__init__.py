"""Graph to Graph: jvp, vjp, simplify, and what they are made of."""
