"""`xray statistics`: what each centre sent, window by window, and what has drifted."""
