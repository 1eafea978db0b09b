"""glioframe: self-configuring deep learning for neuro-oncology PET/MRI."""
