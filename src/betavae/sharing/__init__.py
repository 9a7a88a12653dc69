"""Models leave the house: folders for the Hugging Face hub, ONNX and torch.export programs."""
