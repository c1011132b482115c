"""The stages of a training before and after its epochs: device, optimizer, class weights, judgement."""
