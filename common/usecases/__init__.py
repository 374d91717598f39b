"""What the product does. The only place that joins bucket, store, models, evaluation, tuning and serving."""
