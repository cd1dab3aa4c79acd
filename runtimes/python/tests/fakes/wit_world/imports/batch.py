def get_many(bucket, keys):
    return [(key, bucket.get(key)) for key in keys]


def set_many(bucket, key_values):
    for key, value in key_values:
        bucket.set(key, value)


def delete_many(bucket, keys):
    for key in keys:
        bucket.delete(key)
