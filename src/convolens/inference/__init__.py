"""What a trained model predicts for files and folders: predictions, explanations, restyled pictures.

Predicting takes exported models too, so that nothing here loads torch before it is used.
"""
