namespace DataLayer.TestSupport.Service;

/// <summary>An S3 endpoint the service is configured with.</summary>
/// <param name="Endpoint">Its URL.</param>
/// <param name="AccessKey">The access key.</param>
/// <param name="SecretKey">The secret key.</param>
/// <param name="Name">The store's name in the configuration.</param>
public sealed record StoreSettings(Uri Endpoint, string AccessKey = "datalayer", string SecretKey = "datalayer-secret", string Name = "default");
