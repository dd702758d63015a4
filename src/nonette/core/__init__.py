"""Words every room shares: types, errors, configs, the registry, a flat engine. Never torch."""
