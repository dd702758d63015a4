"""One file a network: a frozen config and a module, tensors in, tensors out."""
