def increment(bucket, key, delta):
    total = int(bucket.items.get(key, b"0")) + delta
    bucket.items[key] = str(total).encode()
    return total
