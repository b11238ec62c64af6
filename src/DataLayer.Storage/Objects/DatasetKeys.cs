using System.Security.Cryptography;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Storage.Stripes.Sealing;

namespace DataLayer.Storage.Objects;

/// <summary>
/// Keys of encrypted attachments: made, sealed for the metadata under the key file's newest key, and opened. A sealed
/// key is bound to the attachment's folder, source and store.
/// </summary>
/// <param name="seal">The key file's.</param>
public sealed class DatasetKeys(CredentialSeal seal)
{
    /// <summary>A new key, sealed for an attachment, in base64.</summary>
    /// <param name="attachment">The attachment as it will be stored; its number does not count.</param>
    /// <exception cref="DataLayerException">Overloaded: keys are being changed just now. Corrupt or PermissionDenied:
    /// the key file.</exception>
    public string Make(Attachment attachment)
    {
        ArgumentNullException.ThrowIfNull(attachment);
        byte[] key = RandomNumberGenerator.GetBytes(DataKeyRing.KeyBytes);
        try
        {
            using IDisposable turn = seal.Lock();
            return Convert.ToBase64String(seal.Seal(key, AboutOf(attachment), isOfDataset: true));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>
    /// Gives an attachment's key to those who read and write under it; one that cannot be opened is told to them.
    /// </summary>
    /// <returns>Null; or why it cannot be opened, with the remedy.</returns>
    public string? Open(Attachment attachment, DataKeyRing ring)
    {
        ArgumentNullException.ThrowIfNull(attachment);
        ArgumentNullException.ThrowIfNull(ring);
        if (attachment.SealedKey is null)
        {
            return null;
        }

        try
        {
            byte[] key = Unseal(attachment);
            try
            {
                ring.Put(attachment.Id, key);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(key);
            }

            return null;
        }
        catch (DataLayerException fault)
        {
            string why = $"'{attachment.Path}' is encrypted and its key cannot be opened: {fault.Message} Then start "
                + "the service again; until then what is in its hot tier cannot be read or written.";
            ring.PutMissing(attachment.Id, why);
            return why;
        }
    }

    /// <summary>The same key sealed under the key file's newest key; null where it is already.</summary>
    /// <exception cref="DataLayerException">As <see cref="Make"/>; Corrupt: it does not open.</exception>
    public string? Reseal(Attachment attachment)
    {
        ArgumentNullException.ThrowIfNull(attachment);
        byte[] made = Decode(attachment);
        if (seal.IsNewest(made))
        {
            return null;
        }

        using IDisposable turn = seal.Lock();
        byte[] key = Unseal(attachment);
        try
        {
            return Convert.ToBase64String(seal.Seal(key, AboutOf(attachment), isOfDataset: true));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>Forgets the keys of the key file that all datasets' keys were sealed anew from.</summary>
    /// <exception cref="DataLayerException">As <see cref="Make"/>.</exception>
    public void DropOldKeys()
    {
        if (seal.HasOldDatasetKeys())
        {
            using IDisposable turn = seal.Lock();
            seal.DropOldDatasetKeys();
        }
    }

    private byte[] Unseal(Attachment attachment) => seal.Open(
        Decode(attachment), AboutOf(attachment), $"attachment '{attachment.Path}'",
        "restore that file (auth.credentialKeyFile), or detach it and attach the bucket again.");

    private static byte[] Decode(Attachment attachment)
    {
        byte[] made = new byte[attachment.SealedKey!.Length];
        return Convert.TryFromBase64String(attachment.SealedKey, made, out int count)
            ? made[..count]
            : throw new DataLayerException(
                ErrorCode.Corrupt, $"The key of '{attachment.Path}' is no base64. Restore a backup of the metadata.");
    }

    private static byte[] AboutOf(Attachment attachment) => Encoding.UTF8.GetBytes(
        $"datalayer-dataset/1\n{attachment.Folder.Value}\n{attachment.Source}\n{attachment.StoreName}");
}
