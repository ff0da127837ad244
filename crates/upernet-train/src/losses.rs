//! What training makes small.
