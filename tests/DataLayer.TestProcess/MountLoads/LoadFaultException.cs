namespace DataLayer.TestProcess.MountLoads;

/// <summary>An operation of a client went wrong, was reported, and the client's model is of no use any more.</summary>
#pragma warning disable CA1032, RCS1194 // Made in one place.
internal sealed class LoadFaultException : Exception;
