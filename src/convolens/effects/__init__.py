"""Effects on sounds and pictures: echo, blur, edges. Each is a convolution with a kernel that has a meaning."""
