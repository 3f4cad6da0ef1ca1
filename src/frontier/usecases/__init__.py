"""One verb, one function: ports in, frozen result out."""
