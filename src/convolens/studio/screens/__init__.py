"""The screens, a module each with a `router`; none knows another."""
