//! What the examples share: data, nets and a training loop.
