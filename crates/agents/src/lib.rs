//! One module per agent: its protocol in, actions and agent events out.
