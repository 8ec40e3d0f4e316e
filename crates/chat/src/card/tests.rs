//! Tests of the cards.
