"""The mail of an alert: `composing` decides what it says, `smtp` hands it over, `notices` are those to the operator."""
