//! UPerNet on burn: pyramid pooling, UPer head, FCN auxiliary head, loss, and the whole model over any backbone
