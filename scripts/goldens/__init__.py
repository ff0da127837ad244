"""Golden (reference) folders made by PyTorch and Hugging Face transformers.

cases.py      which models: the full table, the trimmed table of `testdata/goldens`, full sizes
weights.py    a seeded value for every tensor, and the model that holds them
dialects.py   the names that the same tensors have in other files
record.py     what a model does on one input, and the folder that keeps it
images.py     what the image processor does before, and the post-processing after
"""
