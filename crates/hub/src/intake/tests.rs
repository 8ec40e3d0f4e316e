//! What is refused at the door, and in which words.
