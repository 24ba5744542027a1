"""What answered when, and why."""
