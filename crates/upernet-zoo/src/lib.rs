//! Maps Hugging Face UPerNet configs and checkpoints to burn modules, and back
