"""A short resumable loop, and in objectives/ what each network is taught."""
