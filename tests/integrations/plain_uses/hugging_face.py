"""Hugging Face with a loss of its own, as on docs/how-to/frameworks.md with one of evoloss."""

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

torch.manual_seed(0)
train_set = [{"input_ids": torch.randint(1, 50, (8,)), "labels": torch.randint(3, ())} for _ in range(32)]
small = BertConfig(
    vocab_size=50,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    num_labels=3,
)
trainer = Trainer(
    model=BertForSequenceClassification(small),
    args=TrainingArguments(
        output_dir="out", num_train_epochs=1, report_to=[], save_strategy="no", use_cpu=True
    ),
    train_dataset=train_set,
)
trainer.train()
